"""Apps that the tests run as services, and the images that hold them."""
