"""Runs `pneumoscope ARGUMENTS...` and notes every file that the process opens for writing, and whom it calls.

The notes go to the file named by NOTED_WRITES, one repr per line; what the interpreter is told to write to
(pipes, /dev/null) is no file, and this machine is nobody else.
"""

import os
import sys

notes = os.open(os.environ["NOTED_WRITES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(event, arguments):
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, int) or str(path) == os.devnull:
            return
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            os.write(notes, f"{path!r}\n".encode())
    elif event == "socket.getaddrinfo" and arguments[0] not in (None, "127.0.0.1", "localhost"):
        os.write(notes, f"{event} {arguments!r}\n".encode())
    elif event == "socket.connect" and arguments[1][0] not in ("127.0.0.1", "::1"):
        os.write(notes, f"{event} {arguments[1]!r}\n".encode())
    elif event in ("os.mkdir", "os.rename", "tempfile.mkstemp", "tempfile.mkdtemp"):
        os.write(notes, f"{event} {arguments!r}\n".encode())


sys.addaudithook(note)

if __name__ == "__main__":
    from pneumoscope.cli.main import main

    main()
