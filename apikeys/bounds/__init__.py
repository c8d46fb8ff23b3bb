"""What a key may do: access, addresses and limits. The check asks this room after the standing."""
