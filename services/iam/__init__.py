"""Who may do what on AWS: preflight, policies, audit."""
