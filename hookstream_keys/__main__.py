"""`python -m hookstream_keys`: the same as the command `hookstream-keys`."""

from hookstream_keys.cli import main

if __name__ == "__main__":
    main()
