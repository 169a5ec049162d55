"""Sites, devices, deployments, owners, consents: a site is not a device."""
