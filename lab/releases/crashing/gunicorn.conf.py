"""A release that somebody forgot to add a module to."""

import app.forgotten
