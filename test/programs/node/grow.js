'use strict';
// Uses a heap of the size that it is given in MB and gives it back, some times over;
// and buffers beside it.
const mb = +process.argv[2];
let sum = 0;
for (let r = 0; r < 3; r++) {
  const keep = [];
  for (let i = 0; i < mb * 8; i++) keep.push(new Array(14000).fill(i));
  sum += keep.reduce((a, b) => a + b[5], 0);
}
const buffers = [];
for (let i = 0; i < mb / 4; i++) buffers.push(Buffer.alloc(1 << 20, i));
console.log('held', mb, sum, buffers.reduce((a, x) => a + x[7], 0));
