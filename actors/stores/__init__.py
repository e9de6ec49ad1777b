"""Where rooms are kept beyond the process: one port, several stores, one thread that drives one."""
