"""Authorization at registries: challenges, tokens, and one authorizer a repository."""
