// @47ng/cloak's side of the comparison: for each line with a number, seals and opens 200 characters that often with a key
// imported once, and prints the seconds it took. Driven by `benches/src/field.rs`.
import { createInterface } from 'node:readline';
import { decryptString, encryptString, generateKey, parseKey } from '@47ng/cloak';

const text = generateKey();
const [sealing, opening] = [await parseKey(text, 'encrypt'), await parseKey(text, 'decrypt')];
const plain = 'x'.repeat(200);

for await (const line of createInterface({ input: process.stdin })) {
  const begun = performance.now();
  for (let turn = Number(line); turn > 0; turn -= 1) {
    if ((await decryptString(await encryptString(plain, sealing), opening)) !== plain) throw new Error('not what it was');
  }
  console.log((performance.now() - begun) / 1000);
}
