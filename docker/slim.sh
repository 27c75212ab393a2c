#!/bin/sh
# Takes out of a virtual environment what no job reads: headers, tests, Arrow Flight, the names that only a debugger
# reads in Polars' and Arrow's libraries, and botocore's other services.
set -eu
packages=$(echo "$1"/lib/python3.*/site-packages)
# the last four are what audit --account looks into
services=' s3 sts athena glue iam pricing sso sso-oidc signin rds ec2 dms quicksight '

rm -rf "$packages"/pyarrow/include "$packages"/pyarrow/src
rm -f "$packages"/pyarrow/*flight* # nothing else of Arrow is linked to it; to substrait everything is
strip --strip-unneeded "$packages"/_polars_runtime*/*.so "$packages"/pyarrow/*.so*
find "$packages" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.pyx' -o -name '*.hpp' \) -delete
for folder in "$packages"/botocore/data/*/; do
  case $services in *" $(basename "$folder") "*) ;; *) rm -rf "$folder" ;; esac
done
rm -rf "$packages"/boto3/examples "$packages"/boto3/data/ec2
