"""What every part of the bench uses: databases, servers, load, and how two contenders are compared."""
