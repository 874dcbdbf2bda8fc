"""The server below the application: processes, the port that they share, and HTTP on it.

What uvicorn does is mended here, and bounded: by its own extension points where it has them, and
otherwise by what a test holds against an upgrade.
"""
