#!/bin/sh
# The tree keeps the house rules.
exec "$(dirname "$0")/tidy"
