"""The peers that Latchkey is compared with, each set up as its own documentation says and with nothing else."""
