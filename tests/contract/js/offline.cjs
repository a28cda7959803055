// Loaded before every script: whoever opens a connection or looks a name up fails, so that a verifier that
// passes has passed with what came in its packages.
const dns = require('node:dns');
const net = require('node:net');

function refuse() {
  throw new Error('the network is off in these tests');
}

net.Socket.prototype.connect = refuse;
dns.lookup = refuse;
dns.promises.lookup = refuse;
