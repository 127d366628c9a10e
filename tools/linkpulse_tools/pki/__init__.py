"""Keys, certificates and the local authority that signs them."""
