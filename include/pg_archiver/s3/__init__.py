"""The edge to S3: the only package that imports boto3."""
