"""The HTTP interface: films in over a socket, numbers, maps and reports out, all from one `Predictor`."""
