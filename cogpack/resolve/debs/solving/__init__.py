"""What goes together: requests and relations of packages over what archives have, solved as apt solves them; pure."""
