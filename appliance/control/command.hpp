// What can be asked over the control socket: one entry a request. A handler looks at the words and returns an
// answer that the server reads piece by piece, whenever the client has taken the piece before; so a long
// answer holds neither a lock nor the thread, and other clients get their turn between two pieces.
// Thread: control.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "appliance/base/result.hpp"
#include "appliance/control/words.hpp"

namespace ftfw {

// A piece is best about this long: a client's turn, and what is kept of an answer.
inline constexpr std::size_t kAnswerPieceBytes = 65536;

class AnswerStream {
 public:
  enum class Progress {
    more,      // ask again when the client has taken this
    waits,     // for another thread: ask again when a wake-up of the server came
    idles,     // for something to happen, as long as the client likes: ask again as with waits
    finished,  // this was all
  };

  AnswerStream() = default;
  AnswerStream(const AnswerStream&) = delete;
  AnswerStream& operator=(const AnswerStream&) = delete;
  virtual ~AnswerStream() = default;  // the client may go at any time

  // Appends the next piece. It may read a socket of its own for a few milliseconds, and never waits for
  // another thread. An error ends the answer and is told to the client; Blame::configuration is for a file
  // that the daemon does not take.
  virtual Result<Progress> next(std::string& out) = 0;
};

using Answer = Result<std::unique_ptr<AnswerStream>>;

// An answer that is there at once.
Answer answer_text(std::string text);

struct ControlCommand {
  std::string name;       // the first word of the request
  std::string arguments;  // for people: "[--json]"
  std::string help;
  std::function<Answer(Words words)> handle;
};

using ControlCommands = std::vector<ControlCommand>;

// What "help" answers: a line for each.
std::string describe(const ControlCommands& commands);
// The request, a line without its end, goes to the entry with its name; else an error that names them all.
Answer dispatch(const ControlCommands& commands, std::string_view request);

}  // namespace ftfw
