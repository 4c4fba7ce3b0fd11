#!/bin/sh
# Starts Postfix with its own certificate, which the other containers trust through the volume /tls.
set -eu
if [ ! -s /tls/relay.pem ]; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=relay -addext subjectAltName=DNS:relay \
    -keyout /tls/relay.key -out /tls/relay.pem 2>/dev/null
  chmod 0600 /tls/relay.key
  openssl rehash /tls
fi
postconf -e "myhostname=$RELAY_HOSTNAME" "mydestination=" "inet_interfaces=all" "maillog_file=/dev/stdout" \
  "smtpd_tls_cert_file=/tls/relay.pem" "smtpd_tls_key_file=/tls/relay.key" "smtpd_tls_security_level=encrypt" \
  "smtp_tls_security_level=may" "smtpd_relay_restrictions=permit_mynetworks,reject"
postconf -e "mynetworks=127.0.0.0/8 $RELAY_NETWORK"
postconf -M submission/inet="submission inet n - y - - smtpd"
exec postfix start-fg
