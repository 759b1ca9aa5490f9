from lab import images, authority, network, registry, hosts
images.ensure_all()
authority.ensure(); network.ensure(); registry.ensure(); registry.fill_mirror()
hosts.ensure(["vps1", "vps2"])
