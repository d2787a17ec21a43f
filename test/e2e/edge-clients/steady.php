<?php
/** Asks for the connection's id until it is another one, and tells for how long nothing was answered, and the errors. */
function steady(callable $ask): never
{
    $first = $ask();
    echo "steady\n";
    $answered = hrtime(true);
    $errors = [];
    while (true) {
        try {
            $now = $ask();
            if ($now !== $first) {
                break;
            }
            $answered = hrtime(true);
        } catch (Exception $error) {
            $errors["thrown: " . $error->getMessage()] = true;
        }
        usleep(10000);
    }
    $ms = round((hrtime(true) - $answered) / 1e6);
    echo json_encode(["backAfterMs" => $ms, "errors" => array_keys($errors)], JSON_UNESCAPED_SLASHES), "\n";
    exit();
}

/** Runs something in a process of its own. */
function beside(callable $act): void
{
    if (pcntl_fork() === 0) {
        $act();
        posix_kill(getmypid(), SIGKILL);
    }
}

/** Prints which of these things went well. */
function say(array $found): void
{
    echo json_encode(array_keys(array_filter($found)), JSON_UNESCAPED_SLASHES), "\n";
}
