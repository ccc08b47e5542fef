'use strict';
// Fills the heap until node gives up.
const keep = [];
for (let i = 0; ; i++) {
  keep.push({ i, text: 'x' + i, more: [i, i + 1, i + 2] });
  if (i % 200000 === 0) console.log('at', i);
}
