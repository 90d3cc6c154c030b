// POSIX implementation of MappedFile.
#include "native/loader/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "native/error.h"

namespace diecast {
namespace {

/// Closes the descriptor on every way out; the mapping stays valid without it.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

[[noreturn]] void Fail(const char* what, const std::string& path, const std::string& why) {
  throw Error(ErrorCode::kModelInvalid, std::string("cannot ") + what + " " + path + ": " + why);
}

}  // namespace

std::unique_ptr<const MappedFile> MappedFile::Open(const std::string& path) {
  if (path.find('\0') != std::string::npos) Fail("open", path, "the path holds a NUL byte");
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) Fail("open", path, std::strerror(errno));
  struct stat status;
  if (fstat(file.fd, &status) != 0) Fail("stat", path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) Fail("read", path, "not a regular file");
  if (status.st_size <= 0) Fail("read", path, "the file is empty");
  const auto size = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) Fail("map", path, std::strerror(errno));
  return std::unique_ptr<const MappedFile>(new MappedFile(static_cast<const uint8_t*>(data), size));
}

MappedFile::~MappedFile() { munmap(const_cast<uint8_t*>(data_), size_); }

}  // namespace diecast
