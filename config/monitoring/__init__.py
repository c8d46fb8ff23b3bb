"""What supervisors, load balancers and monitoring ask: what has to be there to serve, health, and metrics."""
