"""Key services, and the secrets that hang from them. The first adapter is a local key file."""
