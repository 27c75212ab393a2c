#!/bin/sh
# commit-msg hook: refuses a subject of more than 72 characters. git's own, such as those of merges, may be longer.
subject=$(grep -v '^#' "$1" | head -n 1)
case $subject in "Merge "* | "Revert "* | "fixup! "* | "squash! "*) exit 0 ;; esac
length=$(printf %s "$subject" | wc -m)
if [ "$length" -gt 72 ]; then
  echo "The subject has $length characters; at most 72 are allowed. Move the rest into the body." >&2
  exit 1
fi
