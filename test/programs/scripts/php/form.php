<?php
// A form: fields and a file in, a database, a session, and a page out.
ini_set('session.save_path', getenv('TMP_DIR') ?: '/tmp');
session_start();
$db = new PDO('sqlite:' . session_save_path() . '/form.db', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$db->exec('CREATE TABLE IF NOT EXISTS notes(id INTEGER PRIMARY KEY, text TEXT, bytes INTEGER, sum TEXT)');
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
	$file = $_FILES['file']['tmp_name'] ?? null;
	$db->prepare('INSERT INTO notes(text, bytes, sum) VALUES (?, ?, ?)')->execute(
		[$_POST['text'], $file ? filesize($file) : 0, $file ? hash_file('sha256', $file) : '']);
	$_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
	header('Location: /form.php?done', true, 303);
	exit;
}
header('Content-Type: text/plain; charset=utf-8');
foreach ($db->query('SELECT * FROM notes ORDER BY id') as $row)
	printf("%d %s %d %s\n", $row['id'], htmlspecialchars($row['text']), $row['bytes'], $row['sum']);
echo 'session ', $_SESSION['count'] ?? 0, "\n";
echo preg_replace_callback('/\d+/', fn($m) => $m[0] * 2, 'twice 21 and 4'), ' ', json_encode(['a' => [1, null, 'ü']]), "\n";
echo (new DateTime('@1000000000'))->setTimezone(new DateTimeZone('Europe/Berlin'))->format(DATE_ATOM), "\n";
echo strlen(random_bytes(16)), ' ', intdiv(7, 2), ' ', iconv('UTF-8', 'ISO-8859-1', 'é') === "\xe9" ? 'latin' : 'wrong', "\n";
try { intdiv(1, 0); } catch (DivisionByZeroError $e) { echo $e->getMessage(), "\n"; }
echo extension_loaded('Zend OPcache') ? 'opcache' : 'none', "\n";
