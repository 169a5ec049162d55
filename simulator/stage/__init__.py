"""The stage: a scenario file brought to life, faults as scripts, accounts of each reading."""
