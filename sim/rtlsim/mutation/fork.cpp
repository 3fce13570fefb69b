// Runs a compiled simulation once per mutant: this process forks before anything is simulated, and
// each child works in a folder of its own.
//
// Environment: CONSILICO_MUTANTS numbers of the mutants, separated by spaces; CONSILICO_JOBS how
// many run at a time; CONSILICO_CPU_S processor seconds after which a child is killed.

#include <cstdlib>
#include <sstream>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <csignal>
#include <unistd.h>

static int mutant = 0;

static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text ? atoi(text) : otherwise;
}

__attribute__((constructor)) static void run_all() {
  const char* list = getenv("CONSILICO_MUTANTS");
  if (!list) return;
  std::istringstream wanted(list);
  int jobs = number("CONSILICO_JOBS", 1), running = 0, next;
  while (wanted >> next) {
    if (running == jobs) {
      wait(nullptr);
      --running;
    }
    pid_t child = fork();
    if (child < 0) _exit(1);
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      rlim_t seconds = number("CONSILICO_CPU_S", 60);
      rlimit limit = {seconds, seconds};
      setrlimit(RLIMIT_CPU, &limit);
      if (chdir(std::to_string(next).c_str()) != 0) _exit(1);
      mutant = next;
      return;  // simulate
    }
    ++running;
  }
  while (wait(nullptr) > 0) {
  }
  _exit(0);
}

extern "C" int consilico_mutant() { return mutant; }
