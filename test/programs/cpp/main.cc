// Uses what a C++ program leans on its runtime for: exceptions through several
// libraries' frames and threads, streams, locales, expressions, threads with
// thread-local objects, and allocation that fails.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <locale>
#include <map>
#include <mutex>
#include <new>
#include <numeric>
#include <random>
#include <regex>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <typeinfo>
#include <vector>

struct Problem : std::runtime_error {
	int depth;
	Problem(int d) : std::runtime_error("problem at " + std::to_string(d)), depth(d) {}
};

static std::atomic<int> alive{0}, locals{0};

struct Counted {
	Counted() { alive++; }
	~Counted() { alive--; }
};

struct Local {
	int n = 0;
	Local() { locals++; }
	~Local() { locals--; }
};
static thread_local Local local;

static int deep(int n) {
	Counted c;
	if (n == 0) throw Problem(alive.load());
	return deep(n - 1) + 1;
}

static void exceptions() {
	for (int i = 1; i <= 1000; i *= 10) {
		try {
			deep(i);
		} catch (const std::exception &e) {
			std::cout << "caught " << typeid(e).name() << " " << e.what() << ", alive " << alive << "\n";
		}
	}
	try {
		try {
			std::vector<int>().at(3);
		} catch (...) {
			std::throw_with_nested(std::logic_error("outer"));
		}
	} catch (const std::exception &e) {
		std::cout << e.what();
		try {
			std::rethrow_if_nested(e);
		} catch (const std::out_of_range &) {
			std::cout << " nests out_of_range\n";
		}
	}
	// Callbacks of the C library are unwound through.
	int list[] = {3, 1, 2};
	try {
		qsort(list, 3, sizeof list[0], [](const void *, const void *) -> int { throw 42; });
	} catch (int n) {
		std::cout << "through qsort " << n << "\n";
	}
	try {
		volatile size_t huge = size_t(1) << 46;
		char *p = new char[huge];
		std::cout << "allocated " << (void *)p << "\n";
	} catch (const std::bad_alloc &e) {
		std::cout << e.what() << "\n";
	}
	try {
		std::ifstream f;
		f.exceptions(std::ios::failbit);
		f.open("/nowhere/at/all");
	} catch (const std::ios_base::failure &e) {
		std::cout << e.code().category().name() << "\n";
	}
	std::error_code ec;
	std::filesystem::create_directory("/proc/none", ec);
	std::cout << "error " << (ec ? "yes" : "no") << " " << std::generic_category().message(2) << "\n";
}

static void threads() {
	std::mutex m;
	std::condition_variable cv;
	long sum = 0;
	int ready = 0;
	std::vector<std::thread> list;
	for (int i = 0; i < 16; i++)
		list.emplace_back([&, i] {
			local.n = i;
			std::unique_lock<std::mutex> l(m);
			ready++;
			cv.notify_all();
			cv.wait(l, [&] { return ready == 16; });
			sum += local.n;
			l.unlock();
			for (int k = 0; k < 200; k++) {
				try {
					deep(10);
				} catch (const Problem &) {
					l.lock();
					sum++;
					l.unlock();
				}
			}
		});
	for (auto &t : list) t.join();
	std::cout << "threads " << sum << ", locals left " << locals << ", alive " << alive << "\n";
	auto f = std::async(std::launch::async, [] { return deep(5); });
	try {
		f.get();
	} catch (const std::runtime_error &e) {
		std::cout << "from another thread: " << (std::string(e.what()).substr(0, 7)) << "\n";
	}
	std::shared_timed_mutex s;
	std::shared_lock<std::shared_timed_mutex> held(s);
	auto at = std::chrono::steady_clock::now();
	bool got = std::async(std::launch::async, [&] { return s.try_lock_for(std::chrono::milliseconds(30)); }).get();
	std::cout << "timed lock " << got << " " << (std::chrono::steady_clock::now() - at >= std::chrono::milliseconds(30)) << "\n";
	std::once_flag once;
	int n = 0;
	for (int i = 0; i < 3; i++) {
		try {
			std::call_once(once, [&] { if (n++ == 0) throw 1; });
		} catch (int) {
			std::cout << "once threw\n";
		}
	}
	std::cout << "once " << n << "\n";
}

struct Comma : std::numpunct<char> {
	char do_thousands_sep() const override { return '\''; }
	std::string do_grouping() const override { return "\3"; }
};

static void text(const std::string &dir) {
	std::cout << std::setprecision(17) << 0.1 << " " << std::hexfloat << 1.5 << std::defaultfloat << " " << std::hex << std::showbase << 255 << std::dec << "\n";
	std::ostringstream o;
	o.imbue(std::locale(std::locale::classic(), new Comma));
	o << 1234567890;
	std::cout << o.str() << " " << std::locale("").name() << "\n";
	try {
		std::locale l("xx_XX.nowhere");
	} catch (const std::runtime_error &) {
		std::cout << "no such locale\n";
	}
	std::regex r(R"((\w+)@((\w+\.)+\w+))");
	std::string s = "write to a.person@example.org, or root@localhost.localdomain";
	for (std::sregex_iterator i(s.begin(), s.end(), r), e; i != e; ++i) std::cout << (*i)[1] << " at " << (*i)[2] << "\n";
	std::cout << std::regex_replace(s, std::regex("[aeiou]"), "_") << "\n";
	std::string name = dir + "/cpp.txt";
	{
		std::ofstream f(name, std::ios::binary);
		for (int i = 0; i < 20000; i++) f << i << '\t' << i * 0.5 << '\n';
	}
	std::ifstream f(name);
	double sum = 0, x;
	long lines = 0, i;
	while (f >> i >> x) sum += x, lines++;
	f.clear();
	f.seekg(-10, std::ios::end);
	std::string last;
	std::getline(f, last);
	std::getline(f, last);
	std::cout << lines << " lines, " << sum << ", last read at end " << f.eof() << ", size " << std::filesystem::file_size(name) << "\n";
	std::filesystem::rename(name, dir + "/cpp2.txt");
	std::filesystem::create_directories(dir + "/d/e/f");
	std::filesystem::create_symlink("../cpp2.txt", dir + "/d/link");
	std::filesystem::copy_file(dir + "/d/link", dir + "/d/e/copy");
	std::vector<std::string> names;
	for (auto &e : std::filesystem::recursive_directory_iterator(dir)) names.push_back(e.path().lexically_relative(dir).string() + (e.is_directory() ? "/" : e.is_symlink() ? "@" : ""));
	std::sort(names.begin(), names.end());
	for (auto &n : names) std::cout << n << " ";
	std::cout << std::filesystem::remove_all(dir + "/d") << "\n";
	std::mt19937_64 g(7);
	std::vector<uint64_t> v(100000);
	std::generate(v.begin(), v.end(), g);
	std::sort(v.begin(), v.end());
	std::cout << v[0] << " " << std::accumulate(v.begin(), v.end(), uint64_t(0)) << " " << (std::random_device{}() != std::random_device{}()) << "\n";
}

static struct AtExit {
	~AtExit() { std::cout << "static objects are destroyed" << std::endl; }
} at_exit;

int main(int argc, char **argv) {
	std::ios::sync_with_stdio(false);
	exceptions();
	threads();
	text(argc > 1 ? argv[1] : "/tmp");
	std::cerr << "to stderr\n";
	std::cout << "end\n" << std::flush;
	if (argc > 2) {
		std::set_terminate([] { std::cout << "terminate" << std::endl; abort(); });
		throw Problem(0);
	}
	return 3;
}
