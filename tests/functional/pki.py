# SPDX-License-Identifier: LGPL-2.1-or-later
"""Certificates for the functional tests, made with certtool."""
from __future__ import annotations

import subprocess
from pathlib import Path

CA = 'cn="Test CA"\nca\ncert_signing_key\ncrl_signing_key\nexpiration_days=9\n'
SERVER = ('organization=Test\ncn=localhost\ndns_name=localhost\n'
          'ip_address=127.0.0.1\nip_address=::1\ntls_www_server\n'
          'signing_key\nencryption_key\nexpiration_days=9\n')
CLIENT = ('organization=Test\ncn=client1\ntls_www_client\n'
          'signing_key\nencryption_key\nexpiration_days=9\n')
PAST = ('activation_date="2020-01-01 00:00:00"\n'
        'expiration_date="2020-02-01 00:00:00"\n')
FUTURE = ('activation_date="2090-01-01 00:00:00"\n'
          'expiration_date="2091-01-01 00:00:00"\n')


def without_dates(template: str) -> str:
    return template.replace('expiration_days=9\n', '')


class Pki:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder: Path):
        self.dir = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca('ca', CA)

    def _certtool(self, *args: str) -> None:
        subprocess.run(['certtool', *args], cwd=self.dir, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _openssl(self, *args: str) -> None:
        subprocess.run(['openssl', *args], cwd=self.dir, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _write(self, name: str, text: str) -> str:
        (self.dir / name).write_text(text)
        return name

    def key(self, name: str, *options: str) -> None:
        self._certtool('--generate-privkey', '--no-text',
                       *(options or ('--key-type', 'ecdsa', '--curve',
                                     'secp256r1')),
                       '--outfile', f'{name}-key.pem')
        (self.dir / f'{name}-key.pem').chmod(0o600)

    def ca(self, name: str, template: str) -> None:
        self.key(name)
        self._certtool('--generate-self-signed', '--no-text',
                       '--load-privkey', f'{name}-key.pem', '--template',
                       self._write(f'{name}.tmpl', template),
                       '--outfile', f'{name}-cert.pem')

    def leaf(self, name: str, template: str, ca: str = 'ca',
             *key_options: str) -> None:
        self.key(name, *key_options)
        self._certtool('--generate-certificate', '--no-text',
                       '--load-privkey', f'{name}-key.pem',
                       '--load-ca-certificate', f'{ca}-cert.pem',
                       '--load-ca-privkey', f'{ca}-key.pem', '--template',
                       self._write(f'{name}.tmpl', template),
                       '--outfile', f'{name}-cert.pem')

    def leaf_with_extensions(self, name: str, extensions: str) -> None:
        """A server's certificate as openssl makes it, extensions verbatim."""
        self.key(name)
        self._openssl('req', '-new', '-key', f'{name}-key.pem', '-subj',
                      '/O=Test/CN=localhost', '-out', f'{name}.csr')
        self._openssl('x509', '-req', '-in', f'{name}.csr', '-CA',
                      'ca-cert.pem', '-CAkey', 'ca-key.pem', '-days', '9',
                      '-set_serial', '77', '-out', f'{name}-cert.pem',
                      '-extfile', self._write(f'{name}.ext', extensions))

    def crl(self, name: str, revoked: str) -> None:
        self._certtool('--generate-crl', '--load-ca-privkey', 'ca-key.pem',
                       '--load-ca-certificate', 'ca-cert.pem',
                       '--load-certificate', f'{revoked}-cert.pem',
                       '--template', self._write(
                           'crl.tmpl', 'crl_next_update=9\ncrl_number=1\n'),
                       '--outfile', f'{name}.pem')

    def creds(self, name: str, role: str, cert: str, ca: str = 'ca',
              crl: str | None = None) -> Path:
        """A folder as tls-creds-x509 wants it."""
        folder = self.dir / name
        folder.mkdir()
        links = {'ca-cert.pem': f'{ca}-cert.pem',
                 f'{role}-cert.pem': f'{cert}-cert.pem',
                 f'{role}-key.pem': f'{cert}-key.pem'}
        if crl:
            links['ca-crl.pem'] = f'{crl}.pem'
        for link, target in links.items():
            (folder / link).symlink_to(self.dir / target)
        return folder

    def standard(self) -> tuple[Path, Path]:
        """Folders of a good server and a good client."""
        self.leaf('server', SERVER)
        self.leaf('client', CLIENT)
        return (self.creds('srv', 'server', 'server'),
                self.creds('cli', 'client', 'client'))
