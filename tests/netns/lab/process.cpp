#include "tests/netns/lab/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>
#include <utility>

#include "appliance/base/clock.hpp"
#include "tests/netns/lab/error.hpp"

namespace ftfw::lab {
namespace {

// glibc 2.36 declares its wrappers of these two without extern "C".
int open_pidfd(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}
void send_signal(int pidfd, int number) {
  ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0);
}

constexpr int kReportFd = 3;  // the child's way to say that exec failed

// Init of the PID namespace. Only async-signal-safe calls: the lab may have threads when it forks.
[[noreturn]] void be_init(int lab_pipe) {
  ::prctl(PR_SET_NAME, "ftfw-lab-init");
  ::signal(SIGCHLD, SIG_IGN);  // orphans are reaped by the kernel
  ::dup2(lab_pipe, 0);
  ::close_range(1, ~0U, 0);
  char byte = 0;
  while (::read(0, &byte, 1) != 0) {
  }
  ::_exit(0);
}

struct Child {
  std::vector<char*> arguments;
  int input_fd;
  int output_fd;
  int error_fd;
  int report_fd;
};

bool own_mounts() {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0 &&
         ::mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0;
}

// After fork: again only async-signal-safe calls.
[[noreturn]] void be_child(const Child& child) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::setsid();
  // The three standard descriptors may be among those given, so all move out of the way first.
  const int report = ::fcntl(child.report_fd, F_DUPFD_CLOEXEC, 10);
  const int input = ::fcntl(child.input_fd, F_DUPFD_CLOEXEC, 10);
  const int output = ::fcntl(child.output_fd, F_DUPFD_CLOEXEC, 10);
  const int errors = ::fcntl(child.error_fd, F_DUPFD_CLOEXEC, 10);
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(errors, 2);
  ::dup3(report, kReportFd, O_CLOEXEC);
  ::close_range(kReportFd + 1, ~0U, 0);
  if (own_mounts()) ::execvp(child.arguments[0], child.arguments.data());
  const int code = errno;
  [[maybe_unused]] const ssize_t written = ::write(kReportFd, &code, sizeof code);
  ::_exit(127);
}

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string read_from_start(int fd) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

ProcessSpace::ProcessSpace() {
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe");
  const UniqueFd init_end(ends[0]);
  alive_.reset(ends[1]);
  init_ = static_cast<pid_t>(
      checked(::syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0), "make a PID namespace (root?)"));
  if (init_ == 0) be_init(init_end.get());
  const std::string path = "/proc/" + std::to_string(init_) + "/ns/pid";
  space_.reset(checked(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open the PID namespace"));
}

ProcessSpace::~ProcessSpace() {
  alive_.reset();
  ::kill(init_, SIGKILL);
  ::waitpid(init_, nullptr, 0);
}

Process Process::start(const ProcessSpace& space, const NetNamespace& network, const Launch& launch) {
  const UniqueFd nothing(checked(::open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null"));
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe");
  const UniqueFd listen_end(ends[0]);
  UniqueFd report_end(ends[1]);

  std::vector<std::string> words = launch.words;
  const int output = launch.output_fd < 0 ? nothing.get() : launch.output_fd;
  Child child{.arguments = {},
              .input_fd = launch.input_fd < 0 ? nothing.get() : launch.input_fd,
              .output_fd = output,
              .error_fd = launch.error_fd < 0 ? output : launch.error_fd,
              .report_fd = report_end.get()};
  for (std::string& word : words) child.arguments.push_back(word.data());
  child.arguments.push_back(nullptr);

  // A thread of its own enters the namespaces: which PID namespace children get is a property of the thread,
  // while the child's parent is the whole lab, so any thread can wait for it.
  pid_t pid = -1;
  int refused = 0;
  std::thread([&] {
    if (::setns(network.fd(), CLONE_NEWNET) != 0 || ::setns(space.fd(), CLONE_NEWPID) != 0 ||
        (pid = ::fork()) < 0) {
      refused = errno;
    } else if (pid == 0) {
      be_child(child);
    }
  }).join();
  if (refused != 0) give_up("start " + words.at(0) + ": " + std::strerror(refused));

  report_end.reset();
  UniqueFd handle(checked(open_pidfd(pid), "pidfd_open"));
  Process process(pid, std::move(handle));
  int code = 0;
  if (::read(listen_end.get(), &code, sizeof code) == sizeof code) {
    give_up("start " + words.at(0) + ": " + std::strerror(code));
  }
  return process;
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), handle_(std::move(other.handle_)), exit_code_(other.exit_code_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    kill_now();
    pid_ = std::exchange(other.pid_, -1);
    handle_ = std::move(other.handle_);
    exit_code_ = other.exit_code_;
  }
  return *this;
}

bool Process::running() {
  return handle_ && !wait(0s).has_value();
}

void Process::signal(int number) {
  if (handle_ && !exit_code_) send_signal(handle_.get(), number);
}

void Process::kill_now() {
  if (!handle_ || exit_code_) return;
  signal(SIGKILL);
  int status = 0;
  if (::waitpid(pid_, &status, 0) == pid_) exit_code_ = exit_code_of(status);
}

std::optional<int> Process::wait(Duration at_most) {
  if (exit_code_ || !handle_) return exit_code_;
  pollfd ended{handle_.get(), POLLIN, 0};
  const Instant deadline = monotonic_now() + at_most;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
    const int ready = ::poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready > 0) break;
    if (ready == 0 && monotonic_now() >= deadline) return std::nullopt;
  }
  int status = 0;
  if (::waitpid(pid_, &status, 0) == pid_) exit_code_ = exit_code_of(status);
  return exit_code_;
}

Outcome run(const ProcessSpace& space, const NetNamespace& network, const std::vector<std::string>& words,
            const std::string& input, Duration at_most) {
  const UniqueFd given(checked(::memfd_create("ftfw-lab-input", MFD_CLOEXEC), "memfd"));
  const UniqueFd output(checked(::memfd_create("ftfw-lab-output", MFD_CLOEXEC), "memfd"));
  const UniqueFd errors(checked(::memfd_create("ftfw-lab-errors", MFD_CLOEXEC), "memfd"));
  for (std::size_t done = 0; done < input.size();) {
    done +=
        static_cast<std::size_t>(checked(::write(given.get(), &input[done], input.size() - done), "memfd"));
  }
  ::lseek(given.get(), 0, SEEK_SET);
  Process process = Process::start(space, network, {words, given.get(), output.get(), errors.get()});
  const std::optional<int> code = process.wait(at_most);
  if (!code) give_up(words.at(0) + " did not end in time");
  return {*code, read_from_start(output.get()), read_from_start(errors.get())};
}

}  // namespace ftfw::lab
