"""The web page: films dropped into a browser, scored on this machine, kept nowhere."""
