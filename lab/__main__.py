from lab import images
images.ensure_debian(); images.ensure_python()
for i in images.SERVICES: images.ensure(i)
