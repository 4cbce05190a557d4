"""What the plugin does once a cassette is used; none of it is loaded before."""
