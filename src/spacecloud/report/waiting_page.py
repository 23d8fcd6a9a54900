"""What a browser is shown while a version wakes that asks for it. Pure."""

from html import escape

from spacecloud.model.refs import ServiceRef

RELOAD_SECONDS = 1

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="{seconds}">
<meta name="viewport" content="width=device-width">
<title>{name} is starting</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; display: grid; place-content: center; height: 90vh }}
</style>
<p>{name} is starting. This page reloads by itself.</p>
</html>
"""


def waiting_page(ref: ServiceRef) -> str:
    """It loads itself anew until the version answers in its place."""
    return _PAGE.format(seconds=RELOAD_SECONDS, name=escape(ref.service))
