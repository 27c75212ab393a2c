#!/bin/sh
# Makes the bucket that the jobs expect, with the tag by which they know it as theirs.
set -eu
: "${BUCKET:?}"
awslocal s3api create-bucket --bucket "$BUCKET"
awslocal s3api put-bucket-tagging --bucket "$BUCKET" --tagging 'TagSet=[{Key=project,Value=shoreline}]'
