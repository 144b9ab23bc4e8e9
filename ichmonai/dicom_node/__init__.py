"""The node in front of an archive: receives head CT over the network, and sends back what was found."""
