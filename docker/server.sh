#!/bin/sh
# Adds the server programs of PostgreSQL for drills, of Debian's packages: the server, its extensions, and the sources
# of locales. Left out are what their dependencies would bring (LLVM, 127 MB; Perl, 50 MB) and what no drill reads. Each
# package's description goes where scanners of images look for packages that dpkg did not install.
set -eu
major=$1
folder=$(mktemp -d)
cd "$folder"
apt-get download "postgresql-$major" locales
libraries=$(dpkg-deb --field "postgresql-$major"_*.deb Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//' \
  | grep '^lib' | grep -v '^libllvm')
# shellcheck disable=SC2086 # a word each
apt-get install --yes --no-install-recommends $libraries
mkdir -p /var/lib/dpkg/status.d
for package in *.deb; do
  dpkg-deb --field "$package" >"/var/lib/dpkg/status.d/$(dpkg-deb --field "$package" Package)"
  dpkg-deb --extract "$package" unpacked
done
rm -rf unpacked/usr/lib/postgresql/*/lib/bitcode unpacked/usr/lib/postgresql/*/lib/llvmjit*
for program in postgres initdb; do
  cp "unpacked/usr/lib/postgresql/$major/bin/$program" "/usr/lib/postgresql/$major/bin/"
done
mkdir -p "/usr/lib/postgresql/$major/lib" "/usr/share/postgresql/$major" /usr/share/i18n
cp -R "unpacked/usr/lib/postgresql/$major/lib/." "/usr/lib/postgresql/$major/lib/"
cp -R "unpacked/usr/share/postgresql/$major/." "/usr/share/postgresql/$major/"
cp -R unpacked/usr/share/i18n/. /usr/share/i18n/
rm -rf "/usr/share/postgresql/$major/man" "$folder"
"/usr/lib/postgresql/$major/bin/postgres" --version
