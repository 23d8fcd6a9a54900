"""What is told of services: status, diagnosis, notices, from the last look. Pure."""
