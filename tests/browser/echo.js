// The other end of a web socket (RFC 6455): it sends back every frame that it gets.
import { createHash } from 'node:crypto';

/** Section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Section 5.2. */
const CLOSE = 8;

/** The first frame of these bytes with what it says, or nothing while it is not whole. */
function firstFrame(bytes) {
  if (bytes.length < 2) return null;
  const short = bytes[1] & 127;
  const wide = { 126: 2, 127: 8 }[short] ?? 0;
  if (bytes.length < 2 + wide) return null;
  // A browser's frames here are shorter than 2^48 bytes.
  const length = wide ? bytes.readUIntBE(2 + Math.max(0, wide - 6), Math.min(wide, 6)) : short;
  const start = 2 + wide + 4;
  if (bytes.length < start + length) return null;
  const mask = bytes.subarray(start - 4, start);
  const said = bytes.subarray(start, start + length).map((byte, at) => byte ^ mask[at % 4]);
  return { first: bytes[0], said, end: start + length };
}

/** A frame; its length is written in the shortest way, or the browser hangs up. */
function frameOf(first, said) {
  const wide = said.length < 126 ? 0 : said.length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + wide);
  head[0] = first;
  head[1] = { 0: said.length, 2: 126, 8: 127 }[wide];
  if (wide) head.writeUIntBE(said.length, 2 + Math.max(0, wide - 6), Math.min(wide, 6));
  return Buffer.concat([head, said]);
}

/** Sends back what comes over web sockets of this server; `opened` is told of each with its request and its socket. */
export function echo(server, opened) {
  server.on('upgrade', (request, socket) => {
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    // Whoever is cut off is no fault of this end.
    socket.on('error', () => {});
    // Node keeps its own half open.
    socket.once('end', () => socket.end());
    opened(request, socket);
    let bytes = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let frame = firstFrame(bytes); frame; frame = firstFrame(bytes)) {
        bytes = bytes.subarray(frame.end);
        socket.write(frameOf(frame.first, frame.said));
        if ((frame.first & 15) === CLOSE) socket.end();
      }
    });
  });
}
