"""The lab: the stand-in images, registry, hosts and releases that demo, tests and benchmarks run on."""
