"""PostgreSQL: connections, programs, the sample database."""
