"""Objects in S3 and the bucket that holds them."""
