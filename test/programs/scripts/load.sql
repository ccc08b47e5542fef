.bail on
PRAGMA journal_mode=WAL;
PRAGMA mmap_size=8388608;
CREATE TABLE t1(a INTEGER, b INTEGER, c TEXT);
CREATE TABLE t2(a INTEGER PRIMARY KEY, b INTEGER, c TEXT);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000)
INSERT INTO t1 SELECT i, (i*7919)%10007, printf('%d: the quick brown fox %x', i, i*i) FROM n;
COMMIT;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000)
INSERT INTO t2 SELECT (i*31)%5003, i, hex(i) FROM n;
SELECT count(*), avg(b) FROM t1 WHERE b BETWEEN 1000 AND 5000;
SELECT count(*), max(length(c)) FROM t1 WHERE c LIKE '%fox 1%';
CREATE INDEX i1 ON t1(b);
CREATE UNIQUE INDEX i2 ON t1(a);
CREATE INDEX i3 ON t2(c, b);
SELECT count(*), avg(b) FROM t1 WHERE b BETWEEN 1000 AND 1100;
SELECT sum(t1.b), count(*) FROM t1 JOIN t2 ON t1.a=t2.a JOIN t2 x ON x.b=t1.b%500;
SELECT b%10, count(*), group_concat(a % 3, '') FROM t1 WHERE a<100 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5;
BEGIN;
UPDATE t1 SET b=b*2 WHERE a%3=0;
DELETE FROM t2 WHERE b%5=0;
SAVEPOINT s;
DELETE FROM t1;
ROLLBACK TO s;
COMMIT;
PRAGMA wal_checkpoint(TRUNCATE);
SELECT sum(b), count(*), count(DISTINCT b) FROM t1;
ALTER TABLE t2 ADD COLUMN d DEFAULT 'x';
INSERT INTO t2(a,b) VALUES(100000,1) ON CONFLICT DO NOTHING;
SELECT sum(rank) FROM (SELECT rank() OVER (PARTITION BY b%7 ORDER BY c) AS rank FROM t2);
CREATE TEMP TABLE big AS SELECT randomblob(1000) AS r FROM t1 ORDER BY r;
SELECT count(*), sum(length(r)) FROM big;
CREATE TRIGGER tr AFTER DELETE ON t1 BEGIN INSERT INTO t2(b,c) VALUES(old.a,'gone'); END;
DELETE FROM t1 WHERE a BETWEEN 50 AND 99;
SELECT count(*) FROM t2 WHERE c='gone';
ANALYZE;
VACUUM;
REINDEX;
PRAGMA integrity_check;
PRAGMA page_count;
PRAGMA journal_mode=DELETE;
INSERT INTO t2(b,c) VALUES(1,'rollback journal');
SELECT json_extract('{"a":[1,2,{"b":3}]}','$.a[2].b');
SELECT date(0,'unixepoch','+50 years'), typeof(julianday('now'));
ATTACH 'OTHER' AS other;
CREATE TABLE other.o AS SELECT * FROM t2;
SELECT count(*) FROM other.o;
DROP TABLE other.o;
DETACH other;
.tables
.quit
