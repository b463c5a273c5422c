"""A process that reads to the end and never answers, in place of the child that decodes."""

import sys

sys.stdin.buffer.read()
