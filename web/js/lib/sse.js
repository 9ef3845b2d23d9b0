// sse.js - server-sent events out of pieces of text: feed(piece) gives the data of the events that are whole by then.

export function eventReader() {
  let rest = '';
  let data = [];
  return function feed(piece) {
    const out = [];
    const lines = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop(); // without its end; a lone CR at the end may be half of a CRLF
    for (const line of lines) {
      if (line === '') {
        if (data.length) out.push(data.join('\n'));
        data = [];
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line[5] === ' ' ? 6 : 5));
      } // comments (": ping") and other fields say nothing here
    }
    return out;
  };
}
