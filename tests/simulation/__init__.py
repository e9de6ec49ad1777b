"""The real server under a simulated world: time, network, disk and people from one seed."""
