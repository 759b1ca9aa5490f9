"""A release that somebody forgot to add a module to."""

import app.forgotten

wsgi_app = f"{app.forgotten.__name__}:create_app()"
