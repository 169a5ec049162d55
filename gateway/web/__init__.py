"""Pages and JSON for citizens, technicians and city staff."""
