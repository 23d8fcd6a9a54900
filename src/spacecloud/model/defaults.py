"""What server and CLI must agree on before either has read anything. Imports nothing."""

INSTANCE = "default"
HTTP_PORT = 4122
STATE = "/var/lib/space-cloud"
"""Folder of what must survive; one sub-folder per instance."""

ADMIN = "admin"
PASSWORD_FILE = "admin-password"
"""In the instance's folder of ``STATE``; readable to the owner alone."""
